"""The one number that a kind of outcome is judged by; made in `petnet.stats.headline`."""

from __future__ import annotations

from petnet.stats.headline import MEASURES, headline

__all__ = ["MEASURES", "headline"]
