"""Inspects a model's answers: embeddings, heat maps, explanations, accuracy and confusion."""
