"""The real process with the real model: OpenAI's client unchanged, faults, and its end."""



