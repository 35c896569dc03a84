{ x, y ? 2 }: { sum = x + y; file = baseNameOf __curPos.file; }
