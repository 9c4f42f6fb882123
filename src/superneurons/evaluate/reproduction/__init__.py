"""Run what a paper reports again, and put its printed figures beside ours."""
