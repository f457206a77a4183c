"""What is on a screen that QEMU dumped: as much as can be told without eyes."""


def read(path):
    """A PPM (P6) as rows of lit (True) and dark pixels."""
    octets = path.read_bytes()
    kind, width, height, most, _ = octets.split(maxsplit=4)
    if kind != b"P6" or most != b"255":
        raise ValueError(f"{path}: {octets[:20]!r}")
    wide = int(width)
    # From the end: the first pixels may look like the blank before them.
    pixels = octets[-wide * int(height) * 3 :]
    bright = [sum(pixels[at : at + 3]) > 384 for at in range(0, len(pixels), 3)]
    return [bright[at : at + wide] for at in range(0, len(bright), wide)]


def runs(row):
    """Lengths of the stretches of one colour: (begin, length, lit)."""
    found, begin = [], 0
    for at in range(1, len(row) + 1):
        if at == len(row) or row[at] != row[begin]:
            found.append((begin, at - begin, row[begin]))
            begin = at
    return found


def finders(picture):
    """How many corners of a QR code: dark 1, lit 1, dark 3, lit 1, dark 1, from left to right and
    from top to bottom through the same spot."""
    columns = list(zip(*picture))
    spots = set()
    for y, row in enumerate(picture):
        for x, size in middles(row):
            for middle, _ in middles(columns[x]):
                if abs(middle - y) <= size:
                    spots.add((x // (8 * size), middle // (8 * size)))
    return len(spots)


def middles(row):
    stretches = runs(row)
    for at in range(len(stretches) - 4):
        five = stretches[at : at + 5]
        if five[0][2]:
            continue
        lengths = [length for _, length, _ in five]
        unit = sum(lengths) / 7
        # Half a letter of a screen is now a row more, now a row less.
        off = [abs(length - unit * share) for length, share in zip(lengths, (1, 1, 3, 1, 1))]
        if unit < 4 or max(off) > unit / 4:
            continue
        yield five[2][0] + five[2][1] // 2, round(unit)
