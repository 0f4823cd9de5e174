"""What neural models share: ids as keys, training by torch inside Spark, and ONNX, in which nets are kept and asked.

Only what trains needs torch; what scores needs onnxruntime. Both come with the extra ``deep``.
"""
