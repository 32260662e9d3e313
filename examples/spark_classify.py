"""Classifies the photos of a folder with Spark, into a folder of Parquet files.

python examples/spark_classify.py photos/ answers/

The photos are read by Spark: the folder may be on any storage that it knows. Each Python worker
loads the network once and computes on one thread, since Spark starts a worker for each core. A
photo that cannot be read has the reason in the column `error`. It needs pyspark, pandas, pyarrow
and Java; PYSPARK_PYTHON names the Python of the workers, which needs them and sqznet too.
"""

import argparse
from collections.abc import Iterator

import sqznet


def spark_session():
    from pyspark.sql import SparkSession

    return SparkSession.builder.appName("sqznet").getOrCreate()


def classifier():
    """A pandas_udf from the content of photos to their best labels."""
    import pandas as pd
    from pyspark.sql.functions import pandas_udf

    @pandas_udf("label string, score float, error string")
    def classify(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        model = sqznet.load(threads=1)
        for photos in batches:
            yield pd.DataFrame([answer(model, photo) for photo in photos], columns=COLUMNS)

    return classify


COLUMNS = ("label", "score", "error")


def answer(model, photo):
    try:
        best = model.classify(bytes(photo), top=1)[0]
    except sqznet.ImageError as error:
        return None, None, str(error)
    return best.label, best.score, None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="a folder; its sub-folders are searched too")
    parser.add_argument("answers", help="the folder to write")
    args = parser.parse_args()
    files = spark_session().read.format("binaryFile").option("recursiveFileLookup", True)
    photos = files.load(args.photos).select("path", classifier()("content").alias("answer"))
    photos.select("path", "answer.*").write.parquet(args.answers)


if __name__ == "__main__":
    main()
