"""The host's own network: two bridges that machines share with it, and a change of it that undoes itself."""
