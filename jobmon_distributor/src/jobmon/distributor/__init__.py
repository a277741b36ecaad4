"""The part that runs on the login node as the user: it asks the server what to do and does it on clusters."""
