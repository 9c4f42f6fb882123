"""What an accuracy is worth when wording, pictures, pairs, or the number of labels change."""
