"""The real process with the real model: OpenAI's client unchanged, faults, and its end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import openai
import psutil
import pytest

from tests.engines.conftest import KEY, Engine  # type: ignore[import-not-found]
