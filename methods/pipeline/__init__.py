"""What the commands do: train, finetune, test, watch, sweep."""
