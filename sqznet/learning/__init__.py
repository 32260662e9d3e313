"""Few-shot learning: a frozen network and a few example images per class make a classifier.

`features` turns an image into a vector, `examples` holds the vectors of the examples,
`gaussian_process` and `scoring` are the classifier, `learner` keeps them in step, `recognizer` is
the public class, and `storage` reads and writes its file.
"""
