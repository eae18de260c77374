# `make demo` shows the program at work, `make lesson` opens the lesson, `make test` passes every check.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NOTEBOOKS := $(patsubst docs/%.md,%.ipynb,$(sort $(wildcard docs/lesson/[1-9]*.md)))

.PHONY: demo lesson test docs format fuzz clean

demo: $(VENV)/installed
	$(BIN)/narrows demo -o demo --force

lesson: $(VENV)/installed-lesson $(NOTEBOOKS)
	$(BIN)/jupyter lab $(firstword $(NOTEBOOKS))

test: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

docs: $(VENV)/installed-dev
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -c docs . build/docs
	@echo open build/docs/docs/index.html

format: $(VENV)/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

fuzz: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	$(BIN)/python fuzz/run.py

$(VENV)/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs,parquet]'
	touch $@

$(VENV)/installed-lesson: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[lesson]'
	touch $@

# Copies to work in, made once; links lead to the other copies, and to the guides.
lesson/%.ipynb: | docs/lesson/%.md
	mkdir -p lesson
	sed -E 's#\]\(([0-9][^)]*)\.md\)#](\1.ipynb)#g; s#\]\(\.\./#](../docs/#g' docs/lesson/$*.md \
		| $(BIN)/jupytext --quiet --from md:myst --to ipynb --output $@ -

clean:
	rm -rf $(VENV) demo build .mypy_cache .ruff_cache .pytest_cache
