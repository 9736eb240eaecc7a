"""What was at fault where an exception comes out of Gradio: the page's own work, or a request that nobody can answer.

Only the former is worth a traceback in the log: visitors could fill it with the latter.
"""
from __future__ import annotations

import logging
import os
import traceback
from pathlib import Path

import gradio as gr

import handpose

NOT_UNDERSTOOD = "The page cannot do anything with this request: reload the page and try again."
FAILED = "The page failed at this request; whoever runs it finds out why in its log."
SERVER = f"{Path(__file__).parent}{os.sep}"
OWN = f"{Path(__file__).parents[1]}{os.sep}", f"{Path(handpose.__file__).parent}{os.sep}"

log = logging.getLogger(__name__)


def is_own(error: BaseException) -> bool:
    """Whether the page was at work, not only what stands before it."""
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(file.startswith(OWN) and not file.startswith(SERVER) for file in files)


def refuse_in_sentences(page: gr.Blocks) -> None:
    """Has a Blocks answer inputs that do not fit an event with a sentence, and with another one where it failed."""
    process = page.process_api

    async def process_or_refuse(*args, **options) -> dict:
        try:
            return await process(*args, **options)
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception as error:
            if is_own(error):
                log.exception("An event could not be answered.")
                raise gr.Error(FAILED, print_exception=False) from error
            raise gr.Error(NOT_UNDERSTOOD, print_exception=False) from error

    page.process_api = process_or_refuse
