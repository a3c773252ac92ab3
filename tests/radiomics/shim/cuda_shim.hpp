// Runs a CUDA kernel on the CPU: one true thread per thread of a block, blocks one after the other.
//
// Covers what petnet's kernels use: threadIdx, blockIdx, blockDim, gridDim, atomicAdd,
// __syncthreads and dynamic shared memory. Shared memory is not cleared between blocks, just as on a
// GPU, so that a kernel that forgets to do so is found out.
#pragma once
#include <atomic>
#include <barrier>
#include <thread>
#include <vector>

#define __global__
#define __device__
#define __shared__ // `extern __shared__ T name[]` refers to the array that the launcher defines
#define __syncthreads() shim::block_barrier->arrive_and_wait()

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};
inline thread_local dim3 threadIdx, blockIdx;
inline dim3 blockDim, gridDim;

template <class T> T atomicAdd(T *address, T value)
{
    return std::atomic_ref<T>(*address).fetch_add(value, std::memory_order_relaxed);
}

namespace shim {
inline std::barrier<> *block_barrier = nullptr;

template <class Kernel> void launch(dim3 grid, dim3 block, Kernel kernel)
{
    gridDim = grid;
    blockDim = block;
    std::barrier<> barrier(block.x);
    block_barrier = &barrier;
    auto run = [&](unsigned thread) {
        threadIdx = {thread, 0, 0};
        for (unsigned y = 0; y < grid.y; ++y) {
            for (unsigned x = 0; x < grid.x; ++x) {
                blockIdx = {x, y, 0};
                kernel();
                barrier.arrive_and_wait(); // shared memory belongs to one block at a time
            }
        }
    };
    std::vector<std::jthread> threads;
    for (unsigned thread = 0; thread < block.x; ++thread) threads.emplace_back(run, thread);
}
} // namespace shim
