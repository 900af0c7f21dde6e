"""XETrade's plain Python core: books, feeds, capture and the lake, without any orchestrator."""
