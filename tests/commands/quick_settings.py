"""Settings that make a training on a handful of patients a matter of seconds."""

QUICK = ["cv.folds=2", "cv.repeats=1", "cv.inner_folds=2", "features=glcm_only", "imaging=small"]
