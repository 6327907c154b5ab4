"""The command line: ``tingchao``."""

import pipeline.cli.backtest
import pipeline.cli.channels
import pipeline.cli.corrections
import pipeline.cli.explain
import pipeline.cli.incidents
import pipeline.cli.line
import pipeline.cli.looking
import pipeline.cli.posts
import pipeline.cli.quality
import pipeline.cli.report
import pipeline.cli.rules
import pipeline.cli.rules_try
import pipeline.cli.setup
import pipeline.cli.sources
import pipeline.cli.spread
import pipeline.cli.train
import pipeline.cli.tune
import pipeline.cli.weibo  # noqa: F401
from pipeline.cli.common import app

__all__ = ["app"]
