"""Makes the shipped model from nothing but a seed: phrases -> sentences -> training -> int8 ONNX.

Only the generator runs with the base install; the rest needs the ``train`` extra.
"""
