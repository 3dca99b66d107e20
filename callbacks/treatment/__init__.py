"""The doctor: short trainings with and without remedies, and what they prove.

The pure part imports no TensorFlow: `trial` has the trainings, `plan` says which one to run next,
`judgement` what a remedy has done, and `answer` is the table of it all.
"""
