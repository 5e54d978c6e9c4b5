"""Models, providers and prices as dated data with sources; ``load`` makes of them what can be called."""
