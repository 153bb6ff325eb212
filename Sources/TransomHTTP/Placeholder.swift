// One file so that the target exists; replaced by the first real one.
