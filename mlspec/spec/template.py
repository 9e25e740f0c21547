"""The commented spec that ``mlspec new`` writes: every key, with its default."""

from __future__ import annotations

_TEMPLATE = """\
# {name}: how far may each layer of pixels around an object move before a label is lost?
#
#   mlspec check {name}.yaml     what would be solved
#   mlspec solve {name}.yaml     solves it
#
# Only classifier, image and object must be given; everything else is written with its default.

classifier:
  onnx: specs/classifiers/pgd.onnx  # from the folder of this file, or shipped with mlspec
  labels: numbers              # names of outputs: a list [cat, dog, ...], or {{file: names.txt}}
  decision: {{rule: top_k, k: 2}}  # or {{rule: threshold, tau: 0.5, scale: sigmoid}} (or logit)
  input_shape: null            # [C, H, W] for a network that takes the image flat
  float16: refuse              # or as_float32: verify such a network as if it were one

image:                         # or {{file: photo.png}}
  dataset: double-digits       # triple-digits, double-mnist, triple-mnist, multi-mnist-folder
  split: test                  # or train
  index: 3                     # which sample, from zero
  path: null                   # folder of the dataset's files, for a dataset that needs any

# The perturbed object, or a list of several. A mask may also be {{file: mask.png}},
# {{box: [y0, x0, y1, x1]}} or {{component_at: [y, x]}}.
object:
  mask: dataset                # the pixels of one object, as the dataset knows them
  index: null                  # which object of the sample, from the left: null is the first
  label: null                  # or by its label

target: auto                   # the label to keep: the other object's, or a name, or a list
around: object                 # what layers surround: object, target, all, or each (its own layers)
distance: linf                 # of a pixel from that: linf, l1 or l2

# Which pixels share an epsilon. Instead of layers: {{groups: [[0], [1, 2], ...]}}, boxes
# {{box: [8, 8]}} (pixels) or {{split: [4, 4]}} (rows, columns), pixels, or whole (the image).
layers:
  partition: layers
  count: all                   # or a number: so many around the object (also of boxes, pixels)
asymmetric: false              # true: one epsilon upwards and one downwards
weights: uniform    # or linear, inverse_square, inverse_cube, pixels, sensitivity, a list

shrink:
  policy: sensitivity          # fixed, sensitivity, uniform or counterexample
  order: formula               # or prose: less sensitive layers shrink more

search:
  strategy: gradient           # or naive, proposal, ascent, exact
  objective: weighted_sum      # or max_min (least epsilon / weight), log_volume
  gap: 0.02                    # exact: how near the upper bound must come to the certified value
  tolerance: 0.02              # a layer that cannot grow by this fraction (or 1e-4) is maximal
  floor: 0.25                  # every layer keeps this share of the certified uniform epsilon
  step: 0.5                    # a fraction of the way to where the gradient predicts a violation
  lambda_start: 1.0            # first weight of the robustness gradient
  lambda_decay: 0.5            # factor on it after a failure
  gradient:                    # of the strategy gradient
    quick_seconds: 8           # time limit of a query while proposals are compared
    proposing: 0.15            # share of the budget for making proposals
    lambda_factors: [1.0, 4.0] # one proposal each: factors on lambda_start
    grown_alone: 1             # and one for so many of the heaviest layers, grown alone first
  exact: {{head_start: 0.15}}    # share of the budget that gradient has before
  proposal: {{step: 0.2, least_step: 0.0001, seconds: 2}}   # steps; time for the weakest images
  slp: {{steps: 30}}             # linear programs in a row
  bracket: {{beyond: 1.1, seconds: 7}}  # the minimum-norm attack: how far beyond, how long
  certificate:                 # what blocks each layer
    reserved: 0.25             # share of the budget that is kept for it
    bracketed: 64              # so many of the heaviest layers are attacked alone first

verifier:
  attack:
    restarts: 32               # random starting images
    steps: 100                 # gradient steps from each
    momentum: 0.75
    first_step: 0.5            # shares of half a pixel's range
    last_step: 0.01
    softness: 0.3              # of the softmax in place of max-pooling, for half of the images
    extra_margins: 3           # targeted beyond those that a violation needs
    refinements: 8             # rounds of the minimum-norm attack, at most
  bounds: alpha                # interval, crown or alpha
  alpha:                       # of the bounds alpha, which optimise their relaxations
    steps: 40                  # gradient steps for each open subset of margins, at most
    rate: 0.2                  # length of the first step
    decay: 0.97                # factor on it after each step
    tightening_steps: 6        # for the bounds of intermediate values, before the subsets
    tightening_rate: 0.3
    subsets_at_once: 16        # optimised together: more take more memory
  milp:
    objective: decision        # or margin: looks for the worst image
    seconds: 20                # time slice of one complete query
  branch_and_cut:              # of mlspec's own solver, which also proves what others claim
    root_rounds: 40            # rounds of cuts at the root, at most
    root_cuts: 500             # cuts of one round there, at most
    root_gain: 0.2             # four rounds that close less of what is left are the last
    node_rounds: 3             # the same at every other node
    node_cuts: 80
    node_gain: 0.05            # a round that closes less of what is left is the last
    tried_first: 6             # new candidates for branching tried at each of the first ten nodes
    tried_later: 3             # at each later node
    tried_again: 2             # and known ones at each node
    trial_iterations: 250      # simplex iterations of one trial, at most
    submip_share: 0.1          # share of a query's time for each sub-MIP around a known image
    submip_ties: 80            # ReLUs and windows that the first of them leaves free
  device: auto                 # of bounds and attack: cuda where there is one; or cpu or cuda

solver: highs                  # gurobi, cplex, scip, glpk, auto, a list [highs, scip], or with
                               # limits {{profile: highs, threads: 2, seconds: 60, gap: 1.0e-4}}

budget:
  seconds: 300                 # of the whole search
  work: null                   # counted work instead, the same on any machine
  queries: null                # complete queries; null is no limit

seed: 0
"""


def spec_template(name: str) -> str:
    """The text of a new spec file ``NAME.yaml``."""
    return _TEMPLATE.format(name=name)
