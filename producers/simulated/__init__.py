"""Made worlds with known truths. Whatever comes from here says `simulated: true`."""
