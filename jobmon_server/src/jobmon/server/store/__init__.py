"""SQL, one file a question. Every function takes the connection first and never commits."""
