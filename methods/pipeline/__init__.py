"""What the commands do: train, finetune, test, watch, queue runs."""
