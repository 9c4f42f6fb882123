"""Fitted classifiers in forms that other engines, harnesses and hubs take."""
