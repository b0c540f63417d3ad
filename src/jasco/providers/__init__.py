"""How things outside are reached: specs, audio files, chat servers, downloads."""
