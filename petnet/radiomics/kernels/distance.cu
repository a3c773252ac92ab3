// City-block distance to the edge of the mask: to the nearest voxel outside of `inside`, where all
// that lies beyond the box is outside too. A voxel with a face on the outside has 1, one outside has 0.
//
// The distance is a minimum over three independent sums, so that it is found exactly by sweeping the
// lines of one axis after the other; without the axis z it is the distance within the slice. Each
// thread sweeps one line of region r forth and back. With `first` the line is read from `inside`, else
// the distances so far are in `distance`.
//
// blockIdx.x names a tile: tile_size lines of region tile_region[x], from line tile_start[x] on, counted
// in C order over the other two axes.

extern "C" __global__ void distance_sweep(
    const unsigned char *__restrict__ inside, const long long *__restrict__ offsets,
    const int *__restrict__ shapes, const int *__restrict__ tile_region,
    const long long *__restrict__ tile_start, int tile_size, int axis, int first, int *distance)
{
    const int region = tile_region[blockIdx.x];
    const long long nx = shapes[3 * region], ny = shapes[3 * region + 1], nz = shapes[3 * region + 2];
    const long long stride = axis == 0 ? ny * nz : axis == 1 ? nz : 1;
    const int length = shapes[3 * region + axis];
    const long long n_lines = (axis == 0 ? 1 : nx) * (axis == 1 ? 1 : ny) * (axis == 2 ? 1 : nz);
    for (int k = threadIdx.x; k < tile_size; k += blockDim.x) {
        const long long line = tile_start[blockIdx.x] + k;
        if (line >= n_lines) break;
        const long long start =
            offsets[region] + line / stride * stride * length + line % stride;
        int *lined = distance + start;
        int nearest = 0;
        for (int i = 0; i < length; ++i) {
            const long long voxel = i * stride;
            const int found = first ? (inside[start + voxel] ? length : 0) : lined[voxel];
            nearest = min(nearest + 1, found);
            lined[voxel] = nearest;
        }
        nearest = 0;
        for (int i = length - 1; i >= 0; --i) {
            nearest = min(nearest + 1, lined[i * stride]);
            lined[i * stride] = nearest;
        }
    }
}
