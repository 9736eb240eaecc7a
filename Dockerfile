# The page on a CPU: `docker build -t handpose .`, and docs/hosting.md for how to run it. At run time it needs no network,
# no root and no disk but a /tmp.
FROM python:3.11-slim

# OpenGL for the overlay, and fetching nothing else; without it a slower software path draws.
COPY packages.txt /tmp/packages.txt
RUN apt-get update && apt-get install -y --no-install-recommends $(cat /tmp/packages.txt) \
    && rm -rf /var/lib/apt/lists/* /tmp/packages.txt

WORKDIR /srv/handpose
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY LICENSE README.md app.py ./
COPY assets assets
COPY checkpoints checkpoints
COPY handpose handpose
COPY page page
RUN python -m compileall -q handpose page

# The user writes nowhere but in /tmp. HOME: libraries that look for their caches find an empty folder.
RUN useradd --system --no-create-home --shell /usr/sbin/nologin --uid 10001 hand
USER 10001
ENV HOME=/tmp GRADIO_TEMP_DIR=/tmp GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860 HF_HUB_OFFLINE=1 \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 NUMBA_CACHE_DIR=/tmp/numba MPLCONFIGDIR=/tmp/matplotlib
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:7860/gradio_api/app_id', timeout=4)"]
CMD ["python", "app.py"]
