"""The stand-in: a medium made from packages that installs as Anaconda does."""
