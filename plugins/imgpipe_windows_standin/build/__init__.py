"""What the Setup medium is built with: scripts of the build and of the guest's first seconds."""
