// Zones of one grey level in many regions: connected components of all levels at once, by union-find.
//
// Regions lie packed in `levels`: region r has shape (nx, ny, nz) = shapes[3r..], C order, first voxel
// at offsets[r], fewer than 2^31 voxels. Level 0 is outside the mask. With `through` a zone is
// 26-connected and its runs lie along z; without, it is 8-connected within the slice (x, y) of its
// voxels and its runs lie along y. Four launches, one after the other:
//
//   zone_runs       parent[voxel] = first voxel of its run, which is the run's root
//   zone_links      joins the trees of every two runs that touch
//   zone_sizes      size[root] = voxels of the zone
//   zone_distances  least[root] = the smallest `distance` among them
//
// parent holds voxel numbers counted from the region's first voxel and never points upwards, so that
// the root of a finished tree is the zone's first voxel, whatever the order of the threads. A root is
// hung below another by compare-and-swap, and only voxels that are no longer roots have their path
// shortened: an outdated read then costs a second try, never a wrong tree (Jaiganesh and Burtscher,
// doi:10.1145/3208040.3208041). Reads are volatile, since other threads write meanwhile.
//
// blockIdx.x names a tile: tile_size voxels of region tile_region[x], from voxel tile_start[x] on.

// One voxel and the line its run lies on. Neighbouring lines that come earlier in the region are
// (x - 1, y - 1), (x - 1, y), (x - 1, y + 1), (x, y - 1), of which a slice has only (x - 1).
struct ZoneVoxel {
    const int *image;
    int nx, ny, x, y, at, length, stride, step_x, step_y;
    int index;

    __device__ ZoneVoxel(const int *region_image, const int *shape, int voxel, int through)
        : image(region_image), nx(shape[0]), ny(shape[1]), index(voxel)
    {
        const int nz = shape[2];
        x = (int)((unsigned int)voxel / nz / ny);
        y = (int)((unsigned int)voxel / nz % ny);
        at = through ? (int)((unsigned int)voxel % nz) : y;
        length = through ? nz : ny;
        stride = through ? 1 : nz;
        step_x = ny * nz;
        step_y = nz;
    }
    __device__ bool has_level_of(int other) const { return image[other] == image[index]; }
    __device__ bool begins_run() const { return at == 0 || !has_level_of(index - stride); }
    __device__ bool ends_run() const { return at + 1 == length || !has_level_of(index + stride); }
    // The voxel beyond the last one of the run that begins here.
    __device__ int end_of_run() const
    {
        const int end = index + (length - at) * stride;
        int voxel = index + stride;
        while (voxel < end && has_level_of(voxel)) voxel += stride;
        return voxel;
    }
};

static __device__ int zone_root(volatile int *parent, int voxel)
{
    int above = parent[voxel];
    while (above != voxel) {
        const int next = parent[above];
        if (next != above) parent[voxel] = next;
        voxel = next;
        above = parent[voxel];
    }
    return voxel;
}

static __device__ void zone_join(int *parent, int a, int b)
{
    a = zone_root(parent, a);
    b = zone_root(parent, b);
    while (a != b) {
        const int high = a > b ? a : b, low = a > b ? b : a;
        const int seen = atomicCAS(&parent[high], high, low);
        if (seen == high) return;
        a = zone_root(parent, seen);
        b = zone_root(parent, low);
    }
}

// Join the voxel's run with those on the line `step` voxels away; each pair where it first touches.
static __device__ void zone_join_line(int *parent, const ZoneVoxel &voxel, int step)
{
    const int other = voxel.index + step, stride = voxel.stride;
    const bool begins = voxel.begins_run();
    const bool before = voxel.at > 0 && voxel.has_level_of(other - stride);
    if (voxel.has_level_of(other)) {
        if (begins || !before) zone_join(parent, voxel.index, other);
        return;
    }
    if (begins && before) zone_join(parent, voxel.index, other - stride);
    const bool after = voxel.at + 1 < voxel.length && voxel.has_level_of(other + stride);
    if (after && voxel.ends_run()) zone_join(parent, voxel.index, other + stride);
}

// Call action(voxel) for the voxels of this block's tile that lie in the mask.
template <class Action>
static __device__ void zone_each_voxel(
    const int *__restrict__ levels, const long long *__restrict__ offsets,
    const int *__restrict__ shapes, const int *__restrict__ tile_region,
    const long long *__restrict__ tile_start, int tile_size, int through, Action action)
{
    const int region = tile_region[blockIdx.x];
    const int *shape = shapes + 3 * region, *image = levels + offsets[region];
    const long long n_voxels = (long long)shape[0] * shape[1] * shape[2];
    for (int k = threadIdx.x; k < tile_size; k += blockDim.x) {
        const long long index = tile_start[blockIdx.x] + k;
        if (index >= n_voxels) break;
        if (image[index] > 0) action(ZoneVoxel(image, shape, (int)index, through));
    }
}

extern "C" __global__ void zone_runs(
    const int *__restrict__ levels, const long long *__restrict__ offsets,
    const int *__restrict__ shapes, const int *__restrict__ tile_region,
    const long long *__restrict__ tile_start, int tile_size, int through, int *parent)
{
    int *forest = parent + offsets[tile_region[blockIdx.x]];
    const auto lay_run = [&](const ZoneVoxel &voxel) {
        if (!voxel.begins_run()) return;
        const int end = voxel.end_of_run();
        for (int v = voxel.index; v < end; v += voxel.stride) forest[v] = voxel.index;
    };
    zone_each_voxel(levels, offsets, shapes, tile_region, tile_start, tile_size, through, lay_run);
}

extern "C" __global__ void zone_links(
    const int *__restrict__ levels, const long long *__restrict__ offsets,
    const int *__restrict__ shapes, const int *__restrict__ tile_region,
    const long long *__restrict__ tile_start, int tile_size, int through, int *parent)
{
    int *forest = parent + offsets[tile_region[blockIdx.x]];
    const auto join = [&](const ZoneVoxel &voxel) {
        if (voxel.x > 0) zone_join_line(forest, voxel, -voxel.step_x);
        if (!through) return;
        const bool lower = voxel.y > 0, upper = voxel.y + 1 < voxel.ny;
        if (lower) zone_join_line(forest, voxel, -voxel.step_y);
        if (voxel.x > 0 && lower) zone_join_line(forest, voxel, -voxel.step_x - voxel.step_y);
        if (voxel.x > 0 && upper) zone_join_line(forest, voxel, -voxel.step_x + voxel.step_y);
    };
    zone_each_voxel(levels, offsets, shapes, tile_region, tile_start, tile_size, through, join);
}

// size must be zero before. Each run is added at once: the voxels of a large zone would queue.
extern "C" __global__ void zone_sizes(
    const int *__restrict__ levels, const long long *__restrict__ offsets,
    const int *__restrict__ shapes, const int *__restrict__ tile_region,
    const long long *__restrict__ tile_start, int tile_size, int through, int *parent, int *size)
{
    const long long first = offsets[tile_region[blockIdx.x]];
    const auto add_run = [&](const ZoneVoxel &voxel) {
        if (!voxel.begins_run()) return;
        const int root = zone_root(parent + first, voxel.index);
        atomicAdd(&size[first + root], (voxel.end_of_run() - voxel.index) / voxel.stride);
    };
    zone_each_voxel(levels, offsets, shapes, tile_region, tile_start, tile_size, through, add_run);
}

// least must be at its greatest before.
extern "C" __global__ void zone_distances(
    const int *__restrict__ levels, const long long *__restrict__ offsets,
    const int *__restrict__ shapes, const int *__restrict__ tile_region,
    const long long *__restrict__ tile_start, int tile_size, int through, int *parent,
    const int *__restrict__ distance, int *least)
{
    const long long first = offsets[tile_region[blockIdx.x]];
    const auto least_of_run = [&](const ZoneVoxel &voxel) {
        if (!voxel.begins_run()) return;
        const int end = voxel.end_of_run();
        int nearest = distance[first + voxel.index];
        for (int v = voxel.index + voxel.stride; v < end; v += voxel.stride) {
            nearest = min(nearest, distance[first + v]);
        }
        atomicMin(&least[first + zone_root(parent + first, voxel.index)], nearest);
    };
    zone_each_voxel(
        levels, offsets, shapes, tile_region, tile_start, tile_size, through, least_of_run);
}
