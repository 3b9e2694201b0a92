"""The answer file (autounattend.xml), built as XML."""
