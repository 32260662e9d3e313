"""Guesses where a moving thing is: a Kalman filter of constant velocity.

The state of one axis is a place and a speed. Between two frames, random pushes change the speed
(white-noise acceleration of density `_PUSHES`), and a detector finds the place with an error of
variance `_ERROR`. Both are measured in sizes of the thing, so that near and far ones are treated
alike, and both axes share one covariance matrix. The equations are those of Y. Bar-Shalom, X. Li
and T. Kirubarajan, "Estimation with Applications to Tracking and Navigation" (2001), 5.2 and 6.2.2.
Frames may come at any times.
"""

from __future__ import annotations

# Variances of a found place, in sizes squared, and of the speed of something new, in sizes per
# second squared: a walker of 1.7 m makes 1.4 m/s, a dog of 0.7 m three times its length.
_ERROR = 0.05**2
_FIRST_SPEED = 2.0**2
# How much the variance of the speed grows in a second.
_PUSHES = 1.0


class Motion:
    """The middle of a thing, x and y in pixels, and its speed in pixels per second."""

    def __init__(self, x: float, y: float) -> None:
        self.x, self.y = x, y
        self._speed_x = self._speed_y = 0.0
        # The covariance matrix: of the place, of both, of the speed.
        self._place, self._both, self._speed = _ERROR, 0.0, _FIRST_SPEED

    def advance(self, seconds: float) -> None:
        """Moves on by the time since the previous frame, 0 or more."""
        self.x += seconds * self._speed_x
        self.y += seconds * self._speed_y
        self._place += seconds * (2 * self._both + seconds * (self._speed + _PUSHES * seconds / 3))
        self._both += seconds * (self._speed + _PUSHES * seconds / 2)
        self._speed += seconds * _PUSHES

    def correct(self, x: float, y: float) -> None:
        """Takes in where the thing was found."""
        total = self._place + _ERROR
        gain, speed_gain = self._place / total, self._both / total
        off_x, off_y = x - self.x, y - self.y
        self.x += gain * off_x
        self.y += gain * off_y
        self._speed_x += speed_gain * off_x
        self._speed_y += speed_gain * off_y
        self._speed -= speed_gain * self._both
        self._place *= 1 - gain
        self._both *= 1 - gain
