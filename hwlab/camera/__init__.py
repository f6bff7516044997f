"""An RTSP camera of our own: a drawn corridor, encoded live, served over RTSP 1.0 with faults that can be switched."""
