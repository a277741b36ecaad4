"""The suite that every cluster passes, fake or real; `bench` says how one is handed to it."""
