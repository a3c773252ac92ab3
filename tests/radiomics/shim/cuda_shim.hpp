// Runs a CUDA kernel on the CPU: one true thread per thread of a block, blocks one after the other.
//
// Covers what petnet's kernels use: threadIdx, blockIdx, blockDim, gridDim, atomicAdd,
// __syncthreads and dynamic shared memory. Shared memory is not cleared between blocks, just as on a
// GPU, so that a kernel that forgets to do so is found out. Bytes beyond those that the launch asked
// for hold a canary that must outlive every block.
#pragma once
#include <algorithm>
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

struct SharedMemory {
    unsigned char *bytes;
    unsigned capacity, asked;
};

// Returns how many blocks wrote beyond the shared memory that was asked for.
template <class Kernel> int launch(dim3 grid, dim3 block, SharedMemory shared, Kernel kernel)
{
    constexpr unsigned char canary = 0xA5;
    gridDim = grid;
    blockDim = block;
    std::barrier<> barrier(block.x);
    block_barrier = &barrier;
    unsigned char *const first = shared.bytes + shared.asked;
    unsigned char *const last = shared.bytes + shared.capacity;
    std::fill(first, last, canary);
    int trespasses = 0;
    auto check = [&]() noexcept {
        if (std::all_of(first, last, [](unsigned char byte) { return byte == canary; })) return;
        ++trespasses;
        std::fill(first, last, canary);
    };
    std::barrier end_of_block(block.x, check); // shared memory belongs to one block at a time
    auto run = [&](unsigned thread) {
        threadIdx = {thread, 0, 0};
        for (unsigned y = 0; y < grid.y; ++y) {
            for (unsigned x = 0; x < grid.x; ++x) {
                blockIdx = {x, y, 0};
                kernel();
                end_of_block.arrive_and_wait();
            }
        }
    };
    {
        std::vector<std::jthread> threads;
        for (unsigned thread = 0; thread < block.x; ++thread) threads.emplace_back(run, thread);
    }
    return trespasses;
}
} // namespace shim
