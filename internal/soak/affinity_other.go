//go:build !linux

package main

import "errors"

func pinThread(int, int, int) error { return errors.ErrUnsupported }

func pinProcess(int, int) error { return errors.ErrUnsupported }
