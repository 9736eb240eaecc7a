"""The page's colours and type; page/browser/page.css has the rest."""
from __future__ import annotations

import gradio as gr

CLAY = gr.themes.Color("#fdf5f1", "#fae7de", "#f5cfbe", "#eeb095", "#e4906c", "#d9774f", "#b9572f", "#9c4a2b",
                       "#84412b", "#6d3827", "#3b1b11")


def theme() -> gr.themes.Base:
    font = [gr.themes.Font("system-ui"), gr.themes.Font("sans-serif")]  # at once there, and no bytes
    return gr.themes.Soft(primary_hue=CLAY, secondary_hue=CLAY, neutral_hue="stone", radius_size="lg", font=font).set(
        background_fill_primary="*neutral_50", block_shadow="none", body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400", block_title_background_fill="none", block_title_padding="0",
        block_label_text_color="*primary_700", block_label_text_color_dark="*primary_300",
        # White on it has a contrast of 6:1; Gradio's own 500 would have 3:1.
        button_primary_background_fill="*primary_700", button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700", button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white", button_primary_text_color_dark="white",
        checkbox_label_background_fill_selected="*primary_100", checkbox_label_text_color_selected="*primary_800",
        checkbox_label_background_fill_selected_dark="*primary_800",
        checkbox_label_text_color_selected_dark="*primary_50",
        block_title_text_color="*body_text_color", block_title_text_color_dark="*body_text_color")
