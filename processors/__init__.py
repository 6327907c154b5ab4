"""Understanding: pure functions and small classes. No Faust, no I/O, no clock."""

from schemas.registry import LazyRegistry

__all__ = ["DETECTORS", "ENRICHERS"]

ENRICHERS = LazyRegistry(
    {
        "keywords": "processors.keywords:Keywords",
        "brands": "processors.brands:Brands",
        "rules": "processors.rules:Rules",
        "tokens": "processors.tokens:Tokens",
        "sentiment": "processors.sentiment:LinearSentiment",
        "sentiment_lexicon": "processors.sentiment_lexicon:LexiconSentiment",
        "sentiment_snownlp": "processors.sentiment_snownlp:SnownlpSentiment",
        "aspects": "processors.aspects:Aspects",
        "brand_moods": "processors.brand_moods:BrandMoods",
        "emotions": "processors.emotions:Emotions",
        "signature": "processors.signature:Signature",
        "author": "processors.author:AuthorOf",
        "intents": "processors.intents:Intents",
        "departments": "processors.departments:Departments",
        "relevance": "processors.relevance:Relevance",
    }
)
"""Every enricher that ``chain.build_chain`` can select, by the name used in the settings."""

DETECTORS = LazyRegistry({"surge": "processors.surge:Surge"})
"""Every detector."""
