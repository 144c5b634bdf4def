"""RLPS: a policy, trained by reinforcement learning, chooses which training images to keep (SPEC 5).

Huadong Li, Hua Xu, "Deep reinforcement learning for robust emotional classification in facial expression recognition",
Knowledge-Based Systems, 2020. The authors' code (github.com/lhd777/RLPS) carries no licence; it was read, never copied.
Networks: model.py; Eq. 2 to 4: reward.py; state and decisions: policy.py; the loop of classifier and policy: fit.py.
Where we differ, and why:

- Method ``x``, the default: rewards from classifiers that never saw the image (in-sample rewards become equal for good
  images and noise), a baseline above what noise earns, the exact expectation of Eq. 3 instead of samples, an entropy
  bonus, and floors on what may be removed. ``paper`` and ``code`` are the published method and the authors' program.
- Eq. 4 as printed multiplies the gradient for either action by a reward that does not depend on the action: its
  expected gradient is 0. It is not offered; a removed image earns 0, as in Eq. 3.
- Vote shares as labels: R = <v, p>, so that faces on which raters disagree are not removed for it.
- Classifier: three poolings for four, batch normalisation, AdamW with a cosine for Adam, a balanced softmax. Policy:
  GELU between its layers (`relu` for the paper's), one logit for two sigmoids. The running mean of the state moves per
  batch, not per image.
- The number of rounds is chosen on a validation split; the authors' code chooses on test data and true noise labels.
"""
