"""Teaching by showing: a few pictures a class, and a frozen network tells the classes apart.

`features` turns a picture into numbers, `examples` are what is remembered of them, `process` and
`judgement` are the classifier, `learner` keeps them in step, `recognizer` is the public class, and
`storage` its file.
"""
