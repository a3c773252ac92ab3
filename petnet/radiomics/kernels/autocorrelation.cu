// Sums over all pairs of voxels of many regions, for Moran's I and Geary's C (IBSI N365 and NPT7).
//
// Points lie region after region: those of region r are starts[r] .. starts[r + 1] - 1, positions
// (x, y, z) in mm. blockIdx.x names a tile: as many points of region tile_region[x] as the block has
// threads, from the region's tile_start[x]-th on. Each thread pairs its point with every other one of
// the region, in their order, and sums[3 * blockIdx.x ..] receives the block's sums over ordered pairs
// of w, w v_i v_j and w (v_i - v_j)^2, w = 1 / distance, added in the order of its threads: no atomics,
// so that the same points give the same bits.
//
// The one family that adds floating-point numbers. blockDim.x * 4 doubles of dynamic shared memory.

extern "C" __global__ void pair_sums(
    const double *__restrict__ positions, const double *__restrict__ values,
    const long long *__restrict__ starts, const int *__restrict__ tile_region,
    const long long *__restrict__ tile_start, double *sums)
{
    extern __shared__ double pair_points[];

    const int region = tile_region[blockIdx.x];
    const long long first = starts[region], last = starts[region + 1];
    const long long own = first + tile_start[blockIdx.x] + threadIdx.x;
    const bool counts = own < last;
    const double x = counts ? positions[3 * own] : 0, y = counts ? positions[3 * own + 1] : 0,
                 z = counts ? positions[3 * own + 2] : 0, v = counts ? values[own] : 0;
    double weight = 0, product = 0, difference = 0;

    for (long long chunk = first; chunk < last; chunk += blockDim.x) {
        const long long loaded = chunk + threadIdx.x;
        if (loaded < last) {
            double *point = pair_points + 4 * threadIdx.x;
            for (int axis = 0; axis < 3; ++axis) point[axis] = positions[3 * loaded + axis];
            point[3] = values[loaded];
        }
        __syncthreads();
        const int n = counts ? (int)min((long long)blockDim.x, last - chunk) : 0;
        for (int k = 0; k < n; ++k) {
            if (chunk + k == own) continue;
            const double *other = pair_points + 4 * k;
            const double dx = x - other[0], dy = y - other[1], dz = z - other[2], dv = v - other[3];
            const double w = 1 / sqrt(dx * dx + dy * dy + dz * dz);
            weight += w;
            product += w * (v * other[3]);
            difference += w * (dv * dv);
        }
        __syncthreads();
    }
    double *mine = pair_points + 3 * threadIdx.x;
    mine[0] = weight, mine[1] = product, mine[2] = difference;
    __syncthreads();
    for (int k = threadIdx.x; k < 3; k += blockDim.x) {
        double sum = 0;
        for (unsigned thread = 0; thread < blockDim.x; ++thread) sum += pair_points[3 * thread + k];
        sums[3ll * blockIdx.x + k] = sum;
    }
}
