"""The leaderboard (docs/leaderboard.md): trials -> choices -> scores -> page. No part of it trains."""
