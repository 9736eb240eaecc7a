"""The page: handpose behind Gradio. `layout.build_page` puts it together, `app.py` starts it."""
