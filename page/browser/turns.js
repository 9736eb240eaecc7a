// Rotations as unit quaternions [x, y, z, w], and vectors [x, y, z].
const turns = (() => {
    const dot = (a, b) => a.reduce((sum, value, k) => sum + value * b[k], 0);
    const scaled = (a, factor) => a.map((value) => value * factor);
    const sum = (a, b, factor = 1) => a.map((value, k) => value + factor * b[k]);
    const unit = (a) => scaled(a, 1 / (Math.hypot(...a) || 1));
    const cross = ([a, b, c], [d, e, f]) => [b * f - c * e, c * d - a * f, a * e - b * d];

    // First b, then a.
    function product([ax, ay, az, aw], [bx, by, bz, bw]) {
        return [aw * bx + ax * bw + ay * bz - az * by, aw * by - ax * bz + ay * bw + az * bx,
                aw * bz + ax * by - ay * bx + az * bw, aw * bw - ax * bx - ay * by - az * bz];
    }

    function about(axis, angle) {
        return [...scaled(unit(axis), Math.sin(angle / 2)), Math.cos(angle / 2)];
    }

    function turned([x, y, z, w], vector) {
        const once = scaled(cross([x, y, z], vector), 2);
        return sum(sum(vector, once, w), cross([x, y, z], once));
    }

    // From a to b the shorter way, at a constant speed (spherical linear interpolation).
    function between(a, b, share) {
        const near = dot(a, b) < 0 ? scaled(b, -1) : b, angle = Math.acos(Math.min(dot(a, near), 1));
        if (angle < 1e-3) return unit(sum(scaled(a, 1 - share), near, share));
        return unit(sum(scaled(a, Math.sin((1 - share) * angle)), near, Math.sin(share * angle)));
    }

    return {dot, scaled, sum, product, about, turned, between};
})();
