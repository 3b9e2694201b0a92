"""Installation media: found, made or downloaded, verified, and asked what they are."""
