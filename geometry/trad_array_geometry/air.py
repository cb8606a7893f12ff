"""Speed of sound in air: the one place where it comes from."""

from trad_array_geometry.errors import LayoutError

VALID_RANGE_C = (-20.0, 50.0)

ZERO_CELSIUS_K = 273.15
_REFERENCE_K = 293.15
_REFERENCE_M_S = 343.2


def speed_of_sound(temperature_c: float) -> float:
    """Speed of sound in air from the temperature alone.

    Parameters
    ----------
    temperature_c : float, degrees Celsius, -20 to 50

    Returns
    -------
    float, m/s

    Raises
    ------
    LayoutError
        If the temperature is outside the valid range of the formula.

    Notes
    -----
    ``343.2 * sqrt(T / 293.15)`` with T in kelvin: ISO 9613-1:1993, Annex A, equation (A.5), for -20 to 50 degrees
    Celsius. Humidity is left out; between dry and saturated air it changes the speed by less than 0.4 % at 20 degrees,
    as much as two degrees do.

    Examples
    --------
    >>> round(speed_of_sound(20.0), 1)
    343.2
    """
    low, high = VALID_RANGE_C
    if not low <= temperature_c <= high:
        raise LayoutError(f"temperature_c: expected {low:g} to {high:g} degrees Celsius, found {temperature_c:g}")
    return float(_REFERENCE_M_S * ((temperature_c + ZERO_CELSIUS_K) / _REFERENCE_K) ** 0.5)


def temperature_from_speed(speed_m_s: float) -> float:
    """Temperature at which sound travels at a speed, degrees Celsius; at most the ends of the valid range.

    The inverse of `speed_of_sound`.
    """
    temperature_c = _REFERENCE_K * (speed_m_s / _REFERENCE_M_S) ** 2 - ZERO_CELSIUS_K
    return float(min(max(temperature_c, VALID_RANGE_C[0]), VALID_RANGE_C[1]))


def speed_sigma(temperature_c: float, temperature_sigma_c: float) -> float:
    """Standard deviation of the speed of sound, m/s, from that of the temperature (first order)."""
    return speed_of_sound(temperature_c) * temperature_sigma_c / (2.0 * (temperature_c + ZERO_CELSIUS_K))
