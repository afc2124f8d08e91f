"""What every package needs: errors, files, threads, memory, quantization steps."""
