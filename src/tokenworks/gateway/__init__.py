"""One request, top to bottom: ``front`` admits it, ``exchange`` sees it through, ``failure`` names faults."""
