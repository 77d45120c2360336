"""What every image goes through before a method sees it."""
